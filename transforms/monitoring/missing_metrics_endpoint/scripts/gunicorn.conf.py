"""Gunicorn reads this file by itself when it is started in this folder.

Every worker counts for itself. All write to one folder, from which any of them
answers Prometheus for the others, too.
"""

import os
import shutil
import tempfile

made = ""
if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    made = tempfile.mkdtemp(prefix="metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = made


def child_exit(server, worker):
    # Imported here: prometheus_client looks for the folder when it is imported.
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    if made and not server.reexec_pid:  # a new master goes on in the folder
        shutil.rmtree(made, ignore_errors=True)
