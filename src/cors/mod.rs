//! CORS
