"""The interactive page: what shorter vectors lose and save, on one's own texts (extra ``demo``)."""
