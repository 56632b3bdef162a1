from decouple import config

SECRET_KEY = config('SECRET_KEY')

DJANGO_APPS = ['django.contrib.contenttypes', 'django.contrib.auth']
THIRD_PARTY_APPS = ['corsheaders']
LOCAL_APPS = ['shop']
INSTALLED_APPS = DJANGO_APPS + THIRD_PARTY_APPS + LOCAL_APPS

MIDDLEWARE = ('django.middleware.common.CommonMiddleware', 'corsheaders.middleware.CorsMiddleware')

ROOT_URLCONF = 'shop.urls'
