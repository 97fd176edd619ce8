from django.db import models


class Notice(models.Model):
    title = models.CharField(max_length=80)
    text = models.TextField(max_length=1000)
    pinned_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pinned_at", "-id"]

    def __str__(self):
        return self.title
