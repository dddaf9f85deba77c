"""What is told beside a form."""

from __future__ import annotations

from dataclasses import replace

from components import about
from model_registry.spec import Origin


def test_each_version_is_listed_with_the_reference_that_pins_it(catalog):
    model = catalog.find("local/echo")
    assert f"local/echo:{model.latest.id}" in about.versions_html(model, model.latest)


def test_a_trained_version_leads_to_its_training_and_names_its_parent(catalog):
    model = catalog.find("local/echo")
    origin = Origin(f"local/echo:{'a' * 64}", "t1", {})
    trained = replace(model.latest, id="b" * 64, origin=origin)
    model = replace(model, versions=(trained, *model.versions))
    shown = about.versions_html(model, trained)
    assert shown.count("trained") == 1 and 'href="/?prediction=t1"' in shown
    assert f"from local/echo:{'a' * 12}" in shown and "a" * 13 not in shown
