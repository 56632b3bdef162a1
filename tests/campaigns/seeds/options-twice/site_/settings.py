import environ

env = environ.Env()

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.postgresql',
        'NAME': env('POSTGRES_DB'),
        'OPTIONS': {'sslmode': 'verify-full', 'options': '-c search_path=app'},
        'USER': env('POSTGRES_USER'),
        'PASSWORD': env('POSTGRES_PASSWORD'),
        'HOST': env('POSTGRES_HOST'),
        'CONN_MAX_AGE': 600,
        'POOL': {
            'MIN_CONNS': 5,
            'MAX_CONNS': 20,
        },
        'OPTIONS': {'sslmode': 'verify-full', 'options': '-c search_path=app'},
    }
}
