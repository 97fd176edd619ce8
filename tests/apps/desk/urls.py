from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("upload", views.upload),
    path("raw", views.raw),
    path("stream", views.stream),
    path("letters", views.letters),
]
