"""How things look and read: layouts, buttons and texts. Nothing here acts."""
