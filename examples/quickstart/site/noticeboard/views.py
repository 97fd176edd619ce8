from django.forms import ModelForm, Textarea
from django.shortcuts import redirect, render

from .models import Notice


class NoticeForm(ModelForm):
    class Meta:
        model = Notice
        fields = ["title", "text"]
        widgets = {"text": Textarea(attrs={"rows": 4})}


def board(request):
    form = NoticeForm(request.POST or None)
    if form.is_valid():
        form.save()
        return redirect("board")
    return render(request, "noticeboard/board.html", {"form": form, "notices": Notice.objects.all()[:50]})
