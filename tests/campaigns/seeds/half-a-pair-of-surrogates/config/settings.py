MYSQL_HABITS = {
    "init_command": "SET sql_mode='STRICT_TRANS_TABLES'",
    "connect_timeout": 10,
}

DATABASES: dict[str, dict[str, object]] = {
 "\ud83d"   "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "app",
        "OPTIONS": MYSQL_HABITS,
    },
}
