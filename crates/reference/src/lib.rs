//! Areas, facilities, calendars and populations, with validity.
