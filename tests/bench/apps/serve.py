"""Serves an application with a server that has no command of its own.

usage: serve.py bjoern|fastwsgi PORT MODULE:NAME
"""

import importlib
import sys

server, port, app = sys.argv[1:]
module, name = app.split(":")
sys.path.insert(0, ".")
app = getattr(importlib.import_module(module), name)
if server == "bjoern":
    import bjoern

    bjoern.run(app, "127.0.0.1", int(port))
else:
    import fastwsgi

    fastwsgi.run(wsgi_app=app, host="127.0.0.1", port=int(port))
