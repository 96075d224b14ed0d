"""Prints the table of docs/security.md: how long each column of the database and each file beside it is kept:
`python -m docs.lifetimes_table`.
"""

from bot.storage.lifetimes import FILES, LIFETIMES, Lifetime


def render() -> str:
    """The table as Markdown: one line for each table and lifetime."""
    lines = ["| kept | table | columns |", "|---|---|---|"]
    for lifetime in Lifetime:
        for table, columns in LIFETIMES.items():
            names = [f"`{name}`" for name, kept in columns.items() if kept is lifetime]
            if names:
                lines.append(f"| {lifetime.value} | {table} | {', '.join(names)} |")
        names = [f"`{name}`" for name, kept in FILES.items() if kept is lifetime]
        if names:
            lines.append(f"| {lifetime.value} | (beside the database) | {', '.join(names)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(render())
