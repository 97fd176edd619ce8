"""An application that cannot be imported."""

raise LookupError("the module named broken does not import")
