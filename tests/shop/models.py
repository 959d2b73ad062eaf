"""What a shop sells, and what it has sold."""

from django.db import models

from kontract.orm import VersionedModel


class Category(VersionedModel):
    """A shelf."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Tag(VersionedModel):
    """A word to find products by."""

    word = models.CharField(max_length=50, unique=True)

    class Meta:
        ordering = ["word"]

    def __str__(self) -> str:
        return self.word


class Product(VersionedModel):
    """Something to buy."""

    class State(models.TextChoices):
        """Where it is in its life."""

        PLANNED = "p", "planned"
        SOLD = "s", "on sale"
        GONE = "g", "no longer made"

    name = models.CharField(max_length=200)
    slug = models.SlugField(unique=True)
    category = models.ForeignKey(Category, models.PROTECT, related_name="products")
    price = models.DecimalField("unit price", max_digits=8, decimal_places=2)
    since = models.DateField("on sale since", null=True, blank=True)
    is_fragile = models.BooleanField(default=False)
    state = models.CharField(max_length=1, choices=State, default=State.PLANNED)
    description = models.TextField(blank=True)
    features = models.JSONField(default=dict, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)
    purchase_price = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)  # not in the admin

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Bundle(Product):
    """Several products for one price: a product, too, with a part in a table of its own."""

    size = models.PositiveSmallIntegerField(default=2)

    def __str__(self) -> str:
        return f"{self.name} of {self.size}"


class Order(VersionedModel):
    """What a customer wants."""

    number = models.PositiveIntegerField(unique=True)
    customer = models.CharField(max_length=200)
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"order {self.number}"


class OrderLine(VersionedModel):
    """One product of an order."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "product"], name="shop_orderline_once")]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"
