"""Settings of the test suite. ``DATABASE_URL`` chooses the database; SQLite is the default."""

from pathlib import Path

import environ

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "not a secret: these are tests"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "example.org", "www.example.org"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "oauth2_provider",
    "apiconnector",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.urls"
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
DATABASES = {"default": env.db_url("DATABASE_URL", default="sqlite:///" + str(BASE_DIR / "tests.sqlite3"))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file and not memory: the lease is tested with real processes and threads.
    DATABASES["default"]["TEST"] = {"NAME": env("TESTS_SQLITE", default=str(BASE_DIR / "tests.sqlite3"))}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Required from Django 6.1 on for mails; unknown before.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_URL = "/static/"
USE_TZ = True
LANGUAGE_CODE = "en"

APICONNECTOR_KEYS = ["YSBrZXkgZm9yIHRlc3RzLCBub3QgYSBzZWNyZXQgOi0="]
APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.1", "localhost"]
APICONNECTOR_TIMEOUT = 5

# django-oauth-toolkit, the provider that tests talk to.
OAUTH2_PROVIDER = {
    "SCOPES": {"read": "Read", "write": "Write"},
    "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
    "ROTATE_REFRESH_TOKEN": True,
    "PKCE_REQUIRED": True,
}
