//! What a layer of Vestibule sees, and the layers: one file each.
