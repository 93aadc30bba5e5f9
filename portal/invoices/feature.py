"""Invoices: a customer's own, and everyone's at the desk."""

from __future__ import annotations

from portal.core.errors import N_
from portal.invoices import job_handlers, price_list_views, views, writing_off_views
from portal.invoices.price_staff_list import PRICE_LIST
from portal.invoices.staff_list import LIST
from portal.invoices.waiting import (
    credits_for_second_person,
    waiting,
    waiting_for_second_person,
    write_offs_for_second_person,
)
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, writing_off_views.bp, price_list_views.bp),
    jobs=(job_handlers,),
    lists=(LIST, PRICE_LIST),
    waiting=(waiting, waiting_for_second_person, credits_for_second_person, write_offs_for_second_person),
    navigation=(NavigationEntry("invoices.index", "file", N_("Invoices"), 20, frozenset({"invoices", "pay.invoice"})),),
)
