//! Points in time, of which the second is rendered once.

use std::{
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::civil::DateTime;

/// The date and time of one second, kept because most records fall into the second of the last one.
#[derive(Clone, Debug)]
pub(super) struct SecondCache {
    unix: Option<u64>,
    /// `YYYY-MM-DDThh:mm:ss`
    text: [u8; 19],
}

impl Default for SecondCache {
    fn default() -> Self {
        Self { unix: None, text: *b"0000-00-00T00:00:00" }
    }
}

impl SecondCache {
    /// RFC 3339 in UTC with milliseconds. What lies before 1970 or after 9999 is shown as the nearest that
    /// does not.
    pub(super) fn render(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let (second, rest) = text.split_at_mut(19);
        second.copy_from_slice(self.second(since.as_secs()));
        let mut milliseconds = since.subsec_millis();
        for digit in rest[1..4].iter_mut().rev() {
            *digit += u8::try_from(milliseconds % 10).unwrap_or(0);
            milliseconds /= 10;
        }
        out.extend_from_slice(&text);
    }

    /// As the Common Log Format has it, without the brackets: `01/Mar/2026:12:34:56 +0000`.
    pub(super) fn render_common(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        const MONTHS: [&[u8; 3]; 12] =
            [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = self.second(since.as_secs());
        let month = usize::from((text[5] - b'0') * 10 + text[6] - b'0');
        out.extend_from_slice(&text[8..10]);
        out.push(b'/');
        out.extend_from_slice(MONTHS[(month - 1) % 12]);
        out.push(b'/');
        out.extend_from_slice(&text[..4]);
        out.push(b':');
        out.extend_from_slice(&text[11..]);
        out.extend_from_slice(b" +0000");
    }

    fn second(&mut self, unix: u64) -> &[u8; 19] {
        if self.unix != Some(unix) {
            self.text = date_time(unix);
            self.unix = Some(unix);
        }
        &self.text
    }
}

/// `YYYY-MM-DDThh:mm:ss` of a second since 1970, at most the last one of 9999.
fn date_time(unix: u64) -> [u8; 19] {
    const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let date_time = EPOCH.saturating_add(Duration::from_secs(unix));
    let mut text = *b"0000-00-00T00:00:00";
    // Up to the year 9999 it has this length.
    let _ = write!(&mut text[..], "{date_time:.0}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds_and_never_fail() {
        let mut cache = SecondCache::default();
        for (milliseconds, expected, common) in [
            (0_i64, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
            (999, "1970-01-01T00:00:00.999Z", "01/Jan/1970:00:00:00 +0000"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z", "29/Feb/2000:00:00:00 +0000"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z", "29/Feb/2000:23:59:59 +0000"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001Z", "29/Feb/2024:23:59:59 +0000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z", "01/Mar/2100:00:00:00 +0000"),
            (253_402_300_799_000, "9999-12-31T23:59:59.000Z", "31/Dec/9999:23:59:59 +0000"),
            (253_402_300_800_000, "9999-12-31T23:59:59.000Z", "31/Dec/9999:23:59:59 +0000"),
            (-1, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
        ] {
            let distance = Duration::from_millis(milliseconds.unsigned_abs());
            let time = if milliseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
            let mut out = Vec::new();
            cache.render(time, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{milliseconds}");
            out.clear();
            cache.render_common(time, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), common, "{milliseconds}");
        }
    }

    #[test]
    fn dates_are_those_of_the_http_date_library() {
        for day in 0..60_000 {
            let unix = day * 86_400 + 3_723;
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix));
            let text = String::from_utf8(date_time(unix).to_vec()).expect("digits");
            // Sun, 06 Nov 1994 01:02:03 GMT
            assert_eq!((&text[..4], &text[8..10], &text[11..]), (&http[12..16], &http[5..7], &http[17..25]));
        }
    }
}
