//! Users with passwords, as `htpasswd -B` writes them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::SHA256_OUTPUT_LEN,
    hmac::{HMAC_SHA256, Key, sign},
};

/// The most users of one file.
pub const MAX_USERS: usize = 65_536;

/// The highest cost of a hash: one more doubles what a verification takes, and this one takes half a second or so.
pub const HIGHEST_COST: u32 = 14;

/// bcrypt looks at so many bytes of a password; who writes the file has been told of no more.
const LOOKED_AT: usize = 72;

/// Users with passwords.
pub struct Users {
    users: HashMap<Box<[u8]>, Arc<User>>,
    /// A hash of the usual cost, for users that do not exist.
    of_nobody: Box<str>,
    /// What right passwords are remembered by.
    secret: Key,
}

struct User {
    /// `$2y$…`.
    hash: Box<str>,
    /// The keyed digest of the password that was right: there is one, so that this is all there is to remember.
    remembered: OnceLock<[u8; SHA256_OUTPUT_LEN]>,
}

/// A password that somebody has shown, to be verified where that may take long.
pub struct Attempt {
    users: Arc<Users>,
    /// `None`: of nobody.
    user: Option<Arc<User>>,
    password: Box<[u8]>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.users.len())
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password")
    }
}

impl Users {
    /// Those of a file: `NAME:$2y$…` in a line; blank lines and those that begin with `#` are none. Right passwords are
    /// remembered by `secret`; those of the same lines `before` stay so.
    ///
    /// # Errors
    /// What is wrong, with the number of the line and without what is in it.
    pub fn of_file(text: &str, secret: &[u8], before: Option<&Self>) -> Result<Self, String> {
        let mut users: HashMap<Box<[u8]>, Arc<User>> = HashMap::new();
        let mut highest = 0;
        for (number, line) in (1..).zip(text.lines().map(str::trim_end)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash, cost) = read(line).map_err(|fault| format!("line {number} {fault}"))?;
            highest = highest.max(cost);
            let known = before.and_then(|before| before.users.get(name.as_bytes()));
            let user = match known.filter(|known| *known.hash == *hash) {
                Some(known) => Arc::clone(known),
                None => Arc::new(User { hash: hash.into(), remembered: OnceLock::new() }),
            };
            if users.insert(name.as_bytes().into(), user).is_some() {
                return Err(format!("line {number} names a user that stands above it"));
            }
        }
        match users.len() {
            0 => return Err("holds no user".to_owned()),
            1..=MAX_USERS => {}
            many => return Err(format!("holds {many} users; at most {MAX_USERS} can be")),
        }
        // What it is the hash of nobody knows.
        let of_nobody = format!("$2y${highest:02}${}", ".".repeat(53)).into();
        let secret = before.map_or_else(|| Key::new(HMAC_SHA256, secret), |before| before.secret.clone());
        Ok(Self { users, of_nobody, secret })
    }

    /// Whether it is remembered that this password is right; if not, it is to be verified.
    #[must_use]
    pub fn remember(&self, user: &[u8], password: &[u8]) -> bool {
        let remembered = self.users.get(user).and_then(|user| user.remembered.get());
        remembered.is_some_and(|known| verify_slices_are_equal(known, &self.digest(password)).is_ok())
    }

    /// What is to be verified.
    #[must_use]
    pub fn attempt(self: &Arc<Self>, user: &[u8], password: &[u8]) -> Attempt {
        let user = self.users.get(user).cloned();
        Attempt { users: Arc::clone(self), user, password: password.into() }
    }

    fn digest(&self, password: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
        let looked_at = password.get(..LOOKED_AT).unwrap_or(password);
        let mut digest = [0; SHA256_OUTPUT_LEN];
        digest.copy_from_slice(sign(&self.secret, looked_at).as_ref());
        digest
    }
}

impl Attempt {
    /// Whether the password is right, which is remembered then. Takes tens of milliseconds of a core: that is what such
    /// hashes are for.
    #[must_use]
    pub fn verify(&self) -> bool {
        let Self { users, user, password } = self;
        let known = user.as_ref().and_then(|user| user.remembered.get());
        // While this has waited, another request has shown the same.
        if known.is_some_and(|known| verify_slices_are_equal(known, &users.digest(password)).is_ok()) {
            return true;
        }
        let hash = user.as_ref().map_or(&users.of_nobody, |user| &user.hash);
        let is_right = bcrypt::verify(&**password, hash).unwrap_or(false);
        match user {
            Some(user) if is_right => {
                user.remembered.get_or_init(|| users.digest(password));
                true
            }
            Some(_) | None => false,
        }
    }
}

/// Name, hash and cost of a line.
fn read(line: &str) -> Result<(&str, &str, u32), &'static str> {
    let (name, hash) = line.split_once(':').ok_or("is no NAME:HASH, as htpasswd -B writes it")?;
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("has no name that a client could send");
    }
    let is_bcrypt = ["$2y$", "$2b$", "$2a$"].iter().any(|begin| hash.starts_with(begin));
    if !is_bcrypt {
        return Err("has no bcrypt hash; make it with htpasswd -B, and with no older kind");
    }
    let parts: bcrypt::HashParts = hash.parse().map_err(|_| "has a hash that is damaged")?;
    match parts.get_cost() {
        cost @ 4..=HIGHEST_COST => Ok((name, hash, cost)),
        _ => Err("has a hash whose cost is none of 4 to 14; make it with htpasswd -B -C 10"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, password: &str) -> String {
        let hash = bcrypt::hash_with_salt(password, 4, [7; 16]).expect("a hash");
        format!("{user}:{}\n", hash.format_for_version(bcrypt::Version::TwoY))
    }

    fn users(text: &str, before: Option<&Users>) -> Arc<Users> {
        Arc::new(Users::of_file(text, b"secret", before).expect("users"))
    }

    #[test]
    fn a_right_password_is_remembered_and_no_other() {
        let users = users(&(line("ann", "right") + &line("bob", "other")), None);
        for (user, password, expected) in [
            ("ann", "wrong", false),
            ("ann", "other", false),
            ("bob", "right", false),
            ("nobody", "right", false),
            ("Ann", "right", false),
            ("ann", "right", true),
            ("ann", "righ", false),
        ] {
            let (user, password) = (user.as_bytes(), password.as_bytes());
            assert!(!users.remember(user, password), "nobody has shown it before");
            assert_eq!(users.attempt(user, password).verify(), expected, "{user:?} {password:?}");
            assert_eq!(users.remember(user, password), expected);
        }
        assert!(users.remember(b"ann", b"right") && !users.remember(b"bob", b"right"));
        assert_eq!(format!("{users:?} {:?}", users.attempt(b"ann", b"right")), "2 users a password");
    }

    #[test]
    fn of_a_long_password_as_much_counts_as_its_hash_was_made_of() {
        let long = "p".repeat(100);
        let users = users(&line("ann", &long), None);
        assert!(users.attempt(b"ann", long.as_bytes()).verify());
        assert!(
            users.remember(b"ann", long.as_bytes()) && users.remember(b"ann", &long.as_bytes()[..LOOKED_AT])
        );
        assert!(!users.remember(b"ann", &long.as_bytes()[..LOOKED_AT - 1]));
    }

    #[test]
    fn what_is_remembered_outlives_a_reload_of_the_same_line() {
        let first = users(&(line("ann", "right") + &line("bob", "right")), None);
        assert!(["ann", "bob"].iter().all(|user| first.attempt(user.as_bytes(), b"right").verify()));
        let next = users(&(line("ann", "right") + &line("bob", "changed")), Some(&first));
        assert!(next.remember(b"ann", b"right"));
        assert!(!next.remember(b"bob", b"right") && !next.attempt(b"bob", b"right").verify());
        assert!(
            !users(&line("bob", "right"), Some(&first)).remember(b"ann", b"right"),
            "who is gone is gone"
        );
    }

    #[test]
    fn who_does_not_exist_is_verified_as_everybody_is() {
        let users = users(&line("ann", "right"), None);
        let parts: bcrypt::HashParts = users.of_nobody.parse().expect("a hash");
        assert_eq!(parts.get_cost(), 4, "that of the others");
        assert!(bcrypt::verify("right", &users.of_nobody).is_ok_and(|is_right| !is_right));
    }

    #[test]
    fn what_is_no_user_is_told_by_its_line() {
        let fine = line("ann", "x");
        for (text, expected) in [
            (String::new(), "holds no user"),
            ("# ann\n\n".into(), "holds no user"),
            (format!("{fine}bob"), "line 2 is no NAME:HASH, as htpasswd -B writes it"),
            (fine.replace("ann", ""), "line 1 has no name that a client could send"),
            (
                "bob:$apr1$x$y".into(),
                "line 1 has no bcrypt hash; make it with htpasswd -B, and with no older kind",
            ),
            (
                "bob:secret".into(),
                "line 1 has no bcrypt hash; make it with htpasswd -B, and with no older kind",
            ),
            ("bob:$2y$10$short".into(), "line 1 has a hash that is damaged"),
            (
                fine.replace("$04$", "$31$"),
                "line 1 has a hash whose cost is none of 4 to 14; make it with htpasswd -B -C 10",
            ),
            (format!("{fine}\n{fine}"), "line 3 names a user that stands above it"),
        ] {
            assert_eq!(Users::of_file(&text, b"s", None).err().as_deref(), Some(expected), "{text:?}");
        }
        for begin in ["$2y$", "$2b$", "$2a$"] {
            let users = users(&fine.replace("$2y$", begin), None);
            assert!(users.attempt(b"ann", b"x").verify(), "{begin}");
        }
    }
}
