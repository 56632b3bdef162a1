from django.urls import path

from orders.views import health, orders

urlpatterns = [path("orders/", orders), path("monitoring/health/", health)]
