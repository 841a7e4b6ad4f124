"""Settings of the CRM: a site of its own, with its own database, origin and cookies."""

from example_site.environment import HOME, env

SECRET_KEY = env("CRM_SECRET_KEY", default="")
DEBUG = env.bool("CRM_DEBUG", default=False)
ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {"default": env.db_url("CRM_DATABASE_URL", default=f"sqlite:///{HOME / 'crm.sqlite3'}")}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "example_site.crm",  # before oauth2_provider: its consent page is ours
    "oauth2_provider",
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
ROOT_URLCONF = "example_site.crm.urls"
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
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "leads"
LOGOUT_REDIRECT_URL = "login"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

SESSION_COOKIE_NAME = "crm_sessionid"
CSRF_COOKIE_NAME = "crm_csrftoken"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}

OAUTH2_PROVIDER = {
    "SCOPES": {"leads:read": "Read your leads", "leads:write": "Add leads"},
    "PKCE_REQUIRED": True,
    # Short, so that one can watch a token being renewed. The lifetime of real ones is an hour or so.
    "ACCESS_TOKEN_EXPIRE_SECONDS": env.int("CRM_TOKEN_SECONDS", default=60),
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    # Only because this provider lives on 127.0.0.1 and is never deployed.
    "ALLOWED_REDIRECT_URI_SCHEMES": ["http"],
}
