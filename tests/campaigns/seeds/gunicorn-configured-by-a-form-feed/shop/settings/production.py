from .base import *

DEBUG = False
MIDDLEWARE += ('whitenoise.middleware.WhiteNoiseMiddleware',)
