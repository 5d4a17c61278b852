//! `refrain stats`, `refrain cache list | search | purge`: from arguments to the terminal.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

use refrain::{
    console::{self, ConsoleError, Few, Form, Purge, Screen, Selection, Sought},
    transfer::Gateway,
};
use terminal_size::{Width, terminal_size_of};

use super::{arguments::Selected, settings::environment};

/// Makes a terminal empty, and goes on at its top.
const CLEAR: &[u8] = b"\x1b[2J\x1b[H";

/// What is to be shown or done.
#[derive(Debug)]
pub(crate) enum Wanted {
    Stats {
        /// Anew after so long, until the program is ended.
        every: Option<Duration>,
    },
    Entries {
        selected: Selected,
        sought: Sought,
        few: Few,
    },
    Purge {
        selected: Selected,
        everything: bool,
        yes: bool,
        dry_run: bool,
    },
}

/// Shows or does it. Whoever closes the output early has seen enough.
pub(crate) async fn run(gateway: &Gateway, wanted: Wanted, json: bool) -> Result<(), ConsoleError> {
    let form = if json { Form::Json } else { Form::Table };
    match asked(gateway, wanted, form, &mut io::stdout()).await {
        Err(error) if error.is_closed() => Ok(()),
        done => done,
    }
}

async fn asked(
    gateway: &Gateway,
    wanted: Wanted,
    form: Form,
    out: &mut io::Stdout,
) -> Result<(), ConsoleError> {
    let screen = screen(out, form);
    match wanted {
        Wanted::Stats { every: None } => console::stats(gateway, screen, out).await,
        Wanted::Stats { every: Some(every) } => watch(gateway, every, form, out).await,
        Wanted::Entries {
            selected,
            sought,
            few,
        } => {
            let selection = selection(&selected, false);
            console::entries(gateway, &selection, &sought, few, screen, out).await
        }
        Wanted::Purge {
            selected,
            everything,
            yes,
            dry_run,
        } => {
            let purge = match (dry_run, yes) {
                (true, _) => Purge::DryRun,
                (false, true) => Purge::Agreed,
                (false, false) => Purge::Ask,
            };
            let selection = selection(&selected, everything);
            console::purge(gateway, &selection, purge, screen, out, agree).await
        }
    }
}

/// What `out` is now: a terminal's width may change.
fn screen(out: &io::Stdout, form: Form) -> Screen {
    let width = terminal_size_of(out).map(|(Width(width), _)| usize::from(width));
    Screen { width, form }
}

/// Shows what the gateway does again and again: in place of what was shown, if that can be, or else after it.
async fn watch(
    gateway: &Gateway,
    every: Duration,
    form: Form,
    out: &mut io::Stdout,
) -> Result<(), ConsoleError> {
    let can_clear = out.is_terminal() && environment("TERM").is_none_or(|term| term != "dumb");
    let (form, before): (_, &[u8]) = match form {
        Form::Json | Form::JsonLine => (Form::JsonLine, b""),
        Form::Table if can_clear => (form, CLEAR),
        Form::Table => (form, b"\n"),
    };
    let mut is_first = true;
    loop {
        let mut shown = Vec::new();
        if !is_first || before == CLEAR {
            shown.extend_from_slice(before);
        }
        console::stats(gateway, screen(out, form), &mut shown).await?;
        // At once, so that nothing flickers.
        out.write_all(&shown)?;
        out.flush()?;
        is_first = false;
        tokio::time::sleep(every).await;
    }
}

/// Whether somebody at the terminal agrees.
fn agree(what: &str) -> Result<bool, ConsoleError> {
    let mut input = io::stdin().lock();
    if !io::stdin().is_terminal() {
        return Err(ConsoleError::Usage(
            "there is no terminal to ask at: --yes purges, --dry-run says what would go",
        ));
    }
    write!(io::stderr(), "{what}. Go on? [y/N] ")?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn selection(selected: &Selected, everything: bool) -> Selection {
    let Selected {
        id,
        tag,
        namespace,
        model,
        client,
        older_than,
        younger_than,
        prefix,
        generation_below,
    } = selected;
    let generation = generation_below.map(|generation| generation.to_string());
    let all = [
        ("id", id),
        ("tag", tag),
        ("namespace", namespace),
        ("model", model),
        ("client", client),
        ("older_than", older_than),
        ("younger_than", younger_than),
        ("prompt_prefix", prefix),
        ("generation_below", &generation),
    ];
    let conditions = all.into_iter();
    Selection {
        everything,
        conditions: conditions
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect(),
    }
}
