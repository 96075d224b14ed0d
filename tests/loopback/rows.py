"""All cells of the table, in its order."""

from tests.loopback import delay_rows, gateway_rows, matrix, painter_rows, people_rows, process_rows, storage_rows
from tests.loopback.bench import Cell


def all_cells(outage_s: float = matrix.OUTAGE_S) -> list[Cell]:
    """Every cell; `outage_s` is how long the outages last."""
    people = list(people_rows.cells())
    return [
        *(cell for cell in people if cell.group == people_rows.NO_FAULT),
        *sorted(matrix.cells(outage_s), key=lambda cell: GROUPS.index(cell.group)),
        *delay_rows.cells(outage_s),
        *gateway_rows.cells(),
        *process_rows.cells(),
        *(cell for cell in people if cell.group != people_rows.NO_FAULT),
        *storage_rows.cells(),
        *painter_rows.cells(),
    ]


GROUPS = (matrix.ONE_FAULT, matrix.KILLED, matrix.OUTAGE)
