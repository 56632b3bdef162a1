import time

from django.http import HttpResponse
from django.urls import path


def hello(request):
    return HttpResponse("hello")


def broken(request):
    raise RuntimeError("broken")


def slow(request, milliseconds):
    time.sleep(milliseconds / 1000)
    return HttpResponse("slow")


urlpatterns = [
    path("hello/", hello, name="hello"),
    path("broken/", broken, name="broken"),
    path("slow/<int:milliseconds>/", slow, name="slow"),
]
