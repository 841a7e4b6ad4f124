"""Where the settings of the site and of the CRM come from.

The process's environment comes first, then the file ``env`` that ``manage.py demo`` writes into its folder. So
``manage.py apiconnector deliver`` and the like work on what the demo has set up.
"""

import os
from pathlib import Path

import environ

# A copy: what the file says is not handed on to child processes.
environ.Env.ENVIRON = dict(os.environ)
env = environ.Env()

#: The folder with the databases and the file ``env``.
HOME = Path(env("DEMO_HOME", default=str(Path(__file__).resolve().parent.parent / ".demo")))
environ.Env.read_env(HOME / "env")
