"""The endpoint in bare Django, and with django-ninja, Django REST framework and django-modern-rest."""

import json
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from dmr import Body, Controller
from dmr.plugins.pydantic import PydanticSerializer
from ninja import NinjaAPI, Schema
from pydantic import BaseModel
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.endpoints.work import add_up


@csrf_exempt
def bare(request: HttpRequest) -> JsonResponse:
    """Add up an order that nobody has checked."""
    sent = json.loads(request.body)
    return JsonResponse({"result": add_up(sent["customer"], sent["lines"])})


@csrf_exempt
async def bare_async(request: HttpRequest) -> JsonResponse:
    """See bare()."""
    return bare(request)


class LineSchema(Schema):
    """A line of an order."""

    article: str
    count: int
    price: float


class OrderSchema(Schema):
    """An order."""

    customer: str
    lines: list[LineSchema]


class SumsSchema(Schema):
    """The sums of an order."""

    customer: str
    count: int
    total: float


ninja = NinjaAPI()


@ninja.post("orders", response=SumsSchema)
def place_order(request: HttpRequest, order: OrderSchema) -> Any:
    """Add up an order."""
    sent = order.model_dump()
    return add_up(sent["customer"], sent["lines"])


class LineSerializer(serializers.Serializer[Any]):
    """A line of an order."""

    article = serializers.CharField()
    count = serializers.IntegerField()
    price = serializers.FloatField()


class OrderSerializer(serializers.Serializer[Any]):
    """An order."""

    customer = serializers.CharField()
    lines = LineSerializer(many=True)


class SumsSerializer(serializers.Serializer[Any]):
    """The sums of an order."""

    customer = serializers.CharField()
    count = serializers.IntegerField()
    total = serializers.FloatField()


class RestView(APIView):
    """Add up an order."""

    def post(self, request: Request) -> Response:
        """Add up an order."""
        order = OrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        sums = add_up(order.validated_data["customer"], order.validated_data["lines"])
        return Response(SumsSerializer(sums).data)


class LineModel(BaseModel):
    """A line of an order."""

    article: str
    count: int
    price: float


class OrderModel(BaseModel):
    """An order."""

    customer: str
    lines: list[LineModel]


class SumsModel(BaseModel):
    """The sums of an order."""

    customer: str
    count: int
    total: float


class ModernController(Controller[PydanticSerializer]):
    """Add up an order."""

    def post(self, parsed_body: Body[OrderModel]) -> SumsModel:
        """Add up an order."""
        sent = parsed_body.model_dump()
        return SumsModel(**add_up(sent["customer"], sent["lines"]))
