import os
DATABASES = {}
DATABASES.update({'default': {
        'ENGINE': 'django.db.backends.postgresql',
        'NAME': os.environ['DB'],
        'HOST': os.environ['H'],
        'OPTIONS': {
            'sslmode': 'verify-full',
        },
        'CONN_MAX_AGE': 600,
    }})
