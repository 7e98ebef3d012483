"""What is told of the metrics in, a Jupyter notebook out that opens and runs wherever ADCE is installed.

The numbers stand in the notebook itself, so that it says tomorrow what it says today.
"""

import json

from adce_assets.dims.outputs.documents import document
from adce_assets.dims.outputs.wording import moment
from adce_assets.dims.telling import Told

_TABLE = """
metrics = pd.DataFrame.from_dict(told["metrics"], orient="index").drop(columns=["course", "accepted"])
metrics.insert(1, "accepted", [(one["accepted"] or {}).get("value") for one in told["metrics"].values()])
metrics
"""
_WORST = """
metrics[~metrics["status"].isin(["ok", "new"])].sort_values("drift_pct", ascending=False, na_position="first")
"""
_COURSES = """
courses = {
    name: pd.Series({pd.Timestamp(spot["at"]): spot["value"] for spot in one["course"]}, dtype="float64")
    for name, one in told["metrics"].items()
    if any(spot["value"] is not None for spot in one["course"])
}
pd.DataFrame({name: course.describe() for name, course in courses.items()}).T
"""
_PICTURES = """
HTML("".join(
    f"<p>{escape(name)}{trend([(at, None if pd.isna(value) else value) for at, value in course.items()])}</p>"
    for name, course in courses.items()
))
"""


def notebook(told: Told) -> str:
    """Write a notebook of the form 4 as JSON: a table, what drifts, the courses in numbers and in pictures."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    data = json.dumps(document(told), ensure_ascii=True)
    cells = [
        new_markdown_cell(f"# Metrics\n\nAs of {moment(told.at)}, with the courses of the last {told.days} days."),
        new_code_cell(
            "import json\nfrom html import escape\n\nimport pandas as pd\nfrom IPython.display import HTML\n\n"
            f"from adce_assets.dims.outputs.trends import trend\n\ntold = json.loads({data!r})"
        ),
        new_code_cell(_TABLE.strip()),
        new_markdown_cell("## What does not stand where it was accepted"),
        new_code_cell(_WORST.strip()),
        new_markdown_cell("## Courses"),
        new_code_cell(_COURSES.strip()),
        new_code_cell(_PICTURES.strip()),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # or it would be another one each time
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(made)
    return nbformat.writes(made)
