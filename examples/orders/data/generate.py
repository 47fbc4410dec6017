#!/usr/bin/python3
"""Writes the 1,000 orders of orders.jsonl; the same ones every time: data/generate.py > data/orders.jsonl"""
import json
import random
import unicodedata

SEED = 1769
ORDERS = 1_000

GIVEN = """Anna Ben Carla Davi Elif Finn Grace Hugo Ines Jakub Katarína Liam Maja Noah Olga Paul Rosa Sören Tomás Uma
Victor Wanda Yusuf Zoë Łucja Émile Aoife Björn Chiara Dragan""".split()
FAMILY = """Adams Bakker Costa Dubois Eriksson Fischer García Horvat Ivanova Jensen Kowalski Larsen Müller Novák
O'Neill Petrov Quinn Rossi Schmidt Tanaka Ünal Virtanen Weber Yılmaz Žižek Moreau Lindqvist Papadakis""".split()
STREETS = """Harbour Road,Mill Lane,Station Street,Rue des Lilas,Lindenallee,Via Garibaldi,Calle Mayor,Kerkstraat,
Nygade,Church Hill,Hauptstraße,Rua do Sol,Park Avenue,Dorfplatz,Orchard Close""".replace("\n", "").split(",")
CITIES = [("1012 AB", "Amsterdam"), ("10115", "Berlin"), ("1000", "Bruxelles"), ("D02 X285", "Dublin"),
          ("20095", "Hamburg"), ("00100", "Helsinki"), ("1050-001", "Lisboa"), ("69001", "Lyon"), ("28013", "Madrid"),
          ("20121", "Milano"), ("11000", "Praha"), ("211 20", "Malmö"), ("00-001", "Warszawa"), ("1010", "Wien"),
          ("8001", "Zürich")]
ARTICLES = [("Espresso beans 1 kg", 2490), ("Green tea 250 g", 1190), ("Pour-over kettle", 5990), ("Moka pot", 3450),
            ("Stoneware mug", 1450), ("Paper filters, 100", 490), ("Hand grinder", 8900), ("Milk jug 600 ml", 2190),
            ("Kitchen scale", 3999), ("Tea strainer", 790), ("Travel cup", 2450), ("Cold brew bottle", 3290),
            ("Sugar bowl", 1690), ("Oat biscuits", 385), ("Dark chocolate 85 %", 425), ("Descaler 500 ml", 995)]


def ascii_name(name):
    """Without accents, as in an e-mail address."""
    letters = unicodedata.normalize("NFKD", name.lower().replace("ł", "l").replace("ß", "ss").replace("ı", "i"))
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())


def order(dice, number):
    given, family = dice.choice(GIVEN), dice.choice(FAMILY)
    post_code, city = dice.choice(CITIES)
    articles = dice.sample(ARTICLES, dice.choices((1, 2, 3, 4, 5), weights=(40, 28, 17, 10, 5))[0])
    items = [{"article": article, "count": dice.choices((1, 2, 3, 6), weights=(70, 20, 7, 3))[0], "price_cents": price}
             for article, price in articles]
    return {"order_id": f"A{100_000 + number}", "customer": f"{given} {family}",
            "email": f"{ascii_name(given)}.{ascii_name(family)}{dice.randrange(1, 90)}@example.org",
            "address": f"{dice.choice(STREETS)} {dice.randrange(1, 190)}, {post_code} {city}",
            "items": items, "total_cents": sum(item["count"] * item["price_cents"] for item in items)}


if __name__ == "__main__":
    dice = random.Random(SEED)
    for number in range(1, ORDERS + 1):
        print(json.dumps(order(dice, number), ensure_ascii=False, separators=(",", ":")))
