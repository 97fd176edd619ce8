from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [path("", views.board, name="board"), path("admin/", admin.site.urls)]
