from arena_preference.lineage.hooks import LineageHooks

HOOKS = (LineageHooks(distribution="small", metrics="total"),)
