"""The real AWS command line of Debian's package, loaded once and forked for each call: 0.15 s instead of 0.9 s.

    /usr/bin/python3 warm_aws.py serve SOCKET          loads the command line, then answers
    /usr/bin/python3 -S -E warm_aws.py call SOCKET …   one call: arguments, environment and descriptors go along

It runs under the system's Python, which has the package, and so keeps to the standard library.
"""

import json
import os
import signal
import socket
import sys
from importlib import import_module

LENGTH = 4


def received(connection: socket.socket) -> bytes:
    data = b""
    while len(data) < LENGTH:
        data += connection.recv(LENGTH - len(data))
    wanted, data = int.from_bytes(data, "big"), b""
    while len(data) < wanted:
        data += connection.recv(wanted - len(data))
    return data


def serve(path: str) -> None:
    command_line = import_module("awscli.clidriver")
    for used in ("customizations.ecs.deploy", "formatter"):
        import_module(f"awscli.{used}")
    driver = command_line.create_clidriver()
    for service in ("ecs", "rds", "ecr"):
        driver.session.get_service_model(service)
    own_data = os.environ["AWS_DATA_PATH"]  # importing awscli sets it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(16)
    while True:
        connection, _ = server.accept()
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        request = json.loads(received(connection))
        os.environ.clear()
        os.environ.update(request["env"])
        os.environ["AWS_DATA_PATH"] = os.pathsep.join([request["env"]["AWS_DATA_PATH"], own_data])
        os.chdir(request["folder"])
        sys.argv = ["aws", *request["arguments"]]
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        try:
            code = command_line.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([int(code) & 255]))
        os._exit(0)


def call(path: str, arguments: list[str]) -> int:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [b"x"], [0, 1, 2])
    request = {"arguments": arguments, "env": dict(os.environ), "folder": os.getcwd()}
    data = json.dumps(request).encode()
    connection.sendall(len(data).to_bytes(LENGTH, "big") + data)
    code = connection.recv(1)
    return code[0] if code else 255


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[2], sys.argv[3:]))
