//! Published low-light enhancement methods, one folder a paper.
