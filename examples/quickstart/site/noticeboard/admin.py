from django.contrib import admin

from .models import Notice

admin.site.site_header = "The keeper’s office"


@admin.register(Notice)
class NoticeAdmin(admin.ModelAdmin):
    list_display = ["title", "pinned_at"]
    search_fields = ["title", "text"]
