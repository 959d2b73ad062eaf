"""Fill the tables with the ISO standards, as the package ``pycountry`` ships them."""

from typing import Any

import pycountry
from tqdm import tqdm

from kontract import env, transaction

Documents = dict[str, dict[str, Any]]

BATCH = 1000  # documents in one transaction
OLD_NAMES = {"SZ": {"name": "Swaziland", "official_name": "Kingdom of Swaziland"}}  # until 2018


def load() -> None:
    """Write what is missing, with a progress bar, and then rename the country that renamed itself.

    Each batch is one transaction, so an interrupted load continues where it was.
    """
    for table, documents in read_standards().items():
        there = set(env.storage[table])
        missing = [code for code in documents if code not in there]
        with tqdm(total=len(missing), desc=f"{table:12}", unit="", disable=not missing) as bar:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                with transaction(label="load"):
                    env.storage[table].set_many({code: documents[code] for code in batch})
                bar.update(len(batch))
    if len(env.storage.countries.history("SZ")) == 1:
        with transaction(label="ISO 3166-1, update of 2018"):
            env.storage.countries.update("SZ", {"name": "Eswatini", "official_name": "Kingdom of Eswatini"})


def read_standards() -> dict[str, Documents]:
    """Return the documents of each table by code."""
    return {
        "countries": {
            c.alpha_2: {
                "code": c.alpha_2,
                "name": c.name,
                "official_name": getattr(c, "official_name", c.name),
                "flag": c.flag,
                **OLD_NAMES.get(c.alpha_2, {}),
            }
            for c in pycountry.countries
        },
        "subdivisions": {
            s.code: {"code": s.code, "name": s.name, "type": s.type, "country": s.country_code}
            for s in pycountry.subdivisions
        },
        "languages": {x.alpha_3: {"code": x.alpha_3, "name": x.name} for x in pycountry.languages},
        "currencies": {x.alpha_3: {"code": x.alpha_3, "name": x.name} for x in pycountry.currencies},
        "scripts": {x.alpha_4: {"code": x.alpha_4, "name": x.name} for x in pycountry.scripts},
    }
