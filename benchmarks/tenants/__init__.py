"""A project on django-tenants, one schema for each tenant: what ``benchmarks.schema`` compares namespaces with."""
