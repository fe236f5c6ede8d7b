"""As much of pandas as the guide's pipeline uses, to stand where no registry can be reached."""

import csv


class Series:
    def __init__(self, values):
        self.values = values

    def sum(self):
        return sum(self.values)

    def mean(self):
        return sum(self.values) / len(self.values)


class Totals:
    def __init__(self, totals):
        self.totals = totals

    def items(self):
        return self.totals.items()


class GroupedColumn:
    def __init__(self, groups):
        self.groups = groups

    def sum(self):
        return Totals({key: sum(self.groups[key]) for key in sorted(self.groups)})


class Grouped:
    def __init__(self, frame, by):
        self.frame, self.by = frame, by

    def __getitem__(self, column):
        groups = {}
        for key, value in zip(self.frame.columns[self.by], self.frame.columns[column]):
            groups.setdefault(key, []).append(value)
        return GroupedColumn(groups)


class DataFrame:
    def __init__(self, columns):
        self.columns = columns

    def __getitem__(self, column):
        return Series(self.columns[column])

    def groupby(self, by):
        return Grouped(self, by)


def _value(text):
    return int(text) if text.lstrip("-").isdigit() else text


def read_csv(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return DataFrame({name: [_value(row[name]) for row in rows] for name in rows[0]})
