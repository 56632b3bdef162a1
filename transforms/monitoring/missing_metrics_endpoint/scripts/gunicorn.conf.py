"""Gunicorn reads this file by itself when it is started in this folder.

Every worker counts for itself. All write to one folder, from which any of them
answers Prometheus for the others, too.
"""

import importlib
import os
import shutil
import tempfile

made = ""
if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    made = tempfile.mkdtemp(prefix="metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = made

# Only now, since it looks for the folder when it is imported; and not below:
# child_exit is called within a signal handler, which can interrupt an import.
multiprocess = importlib.import_module("prometheus_client.multiprocess")


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    if made and not server.reexec_pid:  # a new master goes on in the folder
        shutil.rmtree(made, ignore_errors=True)
