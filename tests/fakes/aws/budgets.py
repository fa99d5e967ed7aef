# SPDX-License-Identifier: Apache-2.0
"""Budgets of the account: what was planned, what was spent."""
import re

from core import Problem
from json11 import JsonService, check_members, text_of
from world import ACCOUNT


class Budgets(JsonService):
    NAME, PREFIX, REGION = "budgets", "AWSBudgetServiceGateway.", "us-east-1"

    def reset(self):
        self.budgets = {}

    def put(self, name, limit, actual=0.0, forecast=None, period="MONTHLY", kind="COST", unit="USD"):
        """limit None: there is none."""
        with self.world.lock:
            if limit is None:
                self.budgets.pop(name, None)
                return
            spent = {"ActualSpend": money(actual, unit)}
            if forecast is not None:
                spent["ForecastedSpend"] = money(forecast, unit)
            self.budgets[name] = {"BudgetName": name, "BudgetLimit": money(limit, unit),
                                  "TimeUnit": period, "BudgetType": kind, "CalculatedSpend": spent,
                                  "LastUpdatedTime": round(self.world.now(), 3)}

    def do_DescribeBudget(self, request, asked):
        check_members(asked, "AccountId", "BudgetName", "ShowFilterExpression",
                      code="InvalidParameterException")
        account = text_of(asked, "AccountId", 12, 12, "InvalidParameterException")
        name = text_of(asked, "BudgetName", 1, 100, "InvalidParameterException")
        if not re.fullmatch(r"\d{12}", account) or re.search(r"[:\\]", name):
            raise Problem(400, "InvalidParameterException", f"{account} {name}")
        if account != ACCOUNT:
            raise Problem(400, "AccessDeniedException", f"Account {account} is not the caller's")
        self.allow(request, f"arn:aws:budgets::{account}:budget/{name}")
        if name not in self.budgets:
            raise Problem(400, "NotFoundException", f"[Exception=NotFoundException] Unable to get "
                          f"budget: {name} - the budget doesn't exist.")
        return {"Budget": self.budgets[name]}


def money(amount, unit):
    return {"Amount": str(amount), "Unit": unit}
