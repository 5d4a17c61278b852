mod passing;
mod requests;
mod telling;
