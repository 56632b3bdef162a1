import os

SECRET_KEY = os.environ["SHOP_SECRET_KEY"]
ALLOWED_HOSTS = os.getenv("SHOP_HOSTS", "shop.example,www.shop.example").split(",")
SECURE_SSL_REDIRECT = os.getenv("SHOP_HTTPS", "true") == "true"
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "orders"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.getenv("DB_NAME", "shop"),
        "USER": os.getenv("DB_USER", "shop"),
        "PASSWORD": os.getenv("DB_PASSWORD", ""),
        "HOST": os.getenv("DB_HOST", "db"),
        "PORT": os.getenv("DB_PORT", "5432"),
    }
}
