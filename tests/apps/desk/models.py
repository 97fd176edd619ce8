from django.db import models


class Letter(models.Model):
    subject = models.CharField(max_length=80)

    def __str__(self):
        return self.subject
