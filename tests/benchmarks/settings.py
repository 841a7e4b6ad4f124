"""Settings of the processes that are measured: the app, the admin, and one throwaway database.

``BENCHMARK_DATABASE_URL`` is the server or file, ``BENCHMARK_DATABASE_NAME`` the database made in it for one run.
"""

import environ

env = environ.Env()
SECRET_KEY = "not a secret: these are benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "apiconnector",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tests.benchmarks.urls"
STATIC_URL = "/static/"
USE_TZ = True

DATABASES = {"default": env.db_url("BENCHMARK_DATABASE_URL")}
DATABASES["default"]["TEST"] = {"NAME": env("BENCHMARK_DATABASE_NAME")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # As a site in production would set it: readers don't wait for a writer, and a commit waits for no disk.
    DATABASES["default"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}

APICONNECTOR_KEYS = ["YSBrZXkgZm9yIHRlc3RzLCBub3QgYSBzZWNyZXQgOi0="]
APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.1"]
APICONNECTOR_TIMEOUT = 10
