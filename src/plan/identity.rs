//! Names that corsair makes: of this process, and of requests that came without one.

/// How this process names itself to other hops; rendered once.
#[derive(Debug)]
pub struct Identity {
    /// What tells this process from any other corsair.
    pub id: Box<[u8]>,
    /// The whole `Via` line, with its CRLF.
    pub via: Box<[u8]>,
}

impl Identity {
    /// A name nobody else has.
    #[must_use]
    pub fn random() -> Self {
        let id = format!("{:016x}", fastrand::u64(..));
        let via = format!("Via: 1.1 corsair ({id})\r\n");
        Self { id: id.into_bytes().into(), via: via.into_bytes().into() }
    }
}

/// The name of one request, made where the client brought none.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(u128);

impl RequestId {
    /// A name nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u128(..))
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn text(self) -> [u8; 32] {
        hexadecimal(self.0)
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::random()
    }
}

/// The last `N` hexadecimal digits of a number, without the detour through the formatter.
pub(super) fn hexadecimal<const N: usize>(value: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for (pair, byte) in digits.rchunks_exact_mut(2).zip(value.to_le_bytes()) {
        pair.copy_from_slice(&DIGITS[usize::from(byte)]);
    }
    digits
}

/// Every byte as two digits.
const DIGITS: [[u8; 2]; 256] = {
    const DIGIT: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        digits[byte] = [DIGIT[byte >> 4], DIGIT[byte & 0xf]];
        byte += 1;
    }
    digits
};
