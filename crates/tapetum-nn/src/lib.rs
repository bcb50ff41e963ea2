//! What every low-light method needs and no method defines: operations, weights, the enhancement pipeline.
