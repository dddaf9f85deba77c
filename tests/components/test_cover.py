"""The picture above a model's name."""

from __future__ import annotations

from dataclasses import replace

from components import cover


def test_every_kind_of_the_catalogue_is_drawn_apart_and_each_model_the_same_every_time(catalog):
    plain = catalog.find("local/echo")
    kinds = ["local", *cover.DRAWINGS]
    models = [replace(plain, category=kind) for kind in kinds]
    drawn = [cover.cover_html(each) for each in models]
    assert len({each.partition("<svg")[2] for each in drawn}) == len(kinds)
    assert drawn == [cover.cover_html(each) for each in models]
    assert cover.cover_html(replace(plain, name="other")) != cover.cover_html(plain)


def test_a_starter_that_draws_shows_what_it_has_drawn(catalog):
    shapes = replace(catalog.find("local/echo"), owner="starter", name="shapes")
    assert f'src="{cover.ADDRESS}/starter/shapes.webp"' in cover.cover_html(shapes)
