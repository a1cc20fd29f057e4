//! The embedded cluster: one seeded world, served over the real protocols on loopback. It uses `base` only.
