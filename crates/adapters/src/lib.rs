//! Foreign formats to submissions: bytes in, submissions and rejections out.
