import hashlib

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from .models import Letter


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.md5()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({"name": file.name, "size": file.size, "md5": digest.hexdigest()})


@csrf_exempt
def raw(request):
    return HttpResponse(f"{len(request.body)} {hashlib.md5(request.body).hexdigest()}")


def stream(request):
    return StreamingHttpResponse((f"row {number}\n" for number in range(1000)), content_type="text/csv")


def letters(request):
    return HttpResponse("\n".join(letter.subject for letter in Letter.objects.order_by("id")))
