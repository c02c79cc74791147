// What a cell of a row means, as the estimator reads it: numbers, dates in seconds since 1970, names of categories.

const MISSING = new Set([
  ...['', 'na', 'n/a', '#n/a', 'nan', 'null', 'none', 'nil', '?', '-', '.', 'missing', 'nat'],
  ...['--', '–', '—', '..', '...', '…', 'n.a.', '<na>', '#value!', '#div/0!', '#ref!', '#num!', '#null!', '#name?'],
]);
const YES = new Set(['true', 't', 'yes', 'y', '1', '1.0']), NO = new Set(['false', 'f', 'no', 'n', '0', '0.0']);
const PLAIN = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/, INFINITE = /^[+-]?inf(?:inity)?$/i;
const GROUPED = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?$/;
const COMMA = /^[+-]?(?:(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d*)?|,\d+)(?:[eE][+-]?\d{1,9})?$/;
const GROUPS = /^[+-]?[1-9]\d{0,2}([ '])\d{3}(?:\1\d{3})*(?:[.,]\d*)?$/, PAIR = /^\d+,(?:\d|\d{3,})$/;
const WIDE = '０１２３４５６７８９－−＋．，％＄￥’（）\u00a0\u2007\u2009\u202f\u3000', NARROW = "0123456789--+.,%$¥'()     ";

// What Python takes for blanks: JavaScript's trim has the byte order mark too, and not the separators of files and records.
const BLANK = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`;
const ENDS = new RegExp(`^${BLANK}+|${BLANK}+$`, 'g');
const AROUND = new RegExp(`^[$€£¥]?${BLANK}*(.*?)${BLANK}*[%$€£¥]?$`, 's'), OWED = new RegExp(`^-[$€£¥]${BLANK}*`);
const stripped = (text) => text.replace(ENDS, '');

const isMissing = (text) => MISSING.has(text.toLowerCase());

// A number without a currency, groups of digits behind blanks or apostrophes, and brackets around it in place of a minus.
function ungrouped(text, decimal) {
  const ascii = Array.from(text, (sign) => (WIDE.includes(sign) ? NARROW[WIDE.indexOf(sign)] : sign)).join('');
  let bare = AROUND.exec(ascii)[1];
  if (bare.startsWith('(') && bare.endsWith(')')) {
    const amount = AROUND.exec(stripped(bare.slice(1, -1)))[1];
    if (/^[\d.]/.test(amount) && !(decimal === ',' && PAIR.test(amount))) bare = `-${amount}`;
  }
  bare = bare.replace(OWED, '-');
  const found = GROUPS.exec(bare);
  return found ? bare.replaceAll(found[1], '') : bare;
}

// The number that a text says, with a decimal "." or ","; undefined for other text.
function numberOf(text, decimal) {
  const bare = PLAIN.test(text) ? text : ungrouped(text, decimal);
  if (decimal === ',') {
    if (COMMA.test(bare)) return Number(bare.replaceAll('.', '').replace(',', '.'));
  } else if (PLAIN.test(bare)) {
    return Number(bare);
  } else if (GROUPED.test(bare)) {
    return Number(bare.replaceAll(',', ''));
  }
  return INFINITE.test(bare) ? NaN : undefined;
}

const HALF = String.raw`[AaPp]\.?[Mm]\.?|上午|下午`;
const CLOCK = String.raw`(?:(?<before>${HALF}) ?)?(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2}))?(?: ?(?<half>${HALF}))?`;
const ISO = /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?:[T ](?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<part>\d{1,9}))?)?\s?(?<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?$/;
const PARTED = new RegExp(String.raw`^(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})(?:[T ]${CLOCK})?$`);
const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'];
const NAME = String.raw`(?<month>[A-Za-z]{3,9})\.?`;
const NAMED = {
  time: new RegExp(`^${CLOCK}$`),
  my: new RegExp(String.raw`^${NAME}[ -](?<year>\d{4})$`),
  ym: /^(?<year>[12]\d{3})[/-](?<month>\d{2})$/,
  dby: new RegExp(String.raw`^(?<day>\d{1,2})[ -]${NAME}[ -](?<year>\d{4}|\d\d)(?: ${CLOCK})?$`),
  bdy: new RegExp(String.raw`^${NAME} (?<day>\d{1,2}),? (?<year>\d{4})(?: ${CLOCK})?$`),
};

const EAST = /^(?<era>民國 ?)?(?<year>\d{1,4}) ?年 ?(?<month>\d{1,2}) ?月(?: ?(?<day>\d{1,2}) ?[日號号])?(?<rest>.*)$/;

const ERA = /^民國 ?(?<year>\d{1,3})(?<rest>([/.-])\d{1,2}\3\d{1,2}(?!\d).*)$/;

const TAIWAN = /^1(?:[01]\d|20)\/\d\d\/\d\d(?!\d)/;

const MINGUO = /^(0{0,2}[1-9]|0?[1-9]\d|1[0-3]\d)(\/\d{1,2}\/\d{1,2}(?!\d).*)$/;

// Of two digits, a year of 1969 to 2068; of three, one of Taiwan's calendar.
function yearOf(digits) {
  if (digits.length === 2) return Number(digits) + (Number(digits) > 68 ? 1900 : 2000);
  return Number(digits) + (digits.length === 3 ? 1911 : 0);
}

// A date such as 2024年1月5日 as 2024/1/5, or as 2024/01 without a day; other text as it is.
function withSlashes(text) {
  const named = ERA.exec(text)?.groups;
  if (named) return `${String(Number(named.year) + 1911).padStart(4, '0')}${named.rest}`;
  const found = EAST.exec(text)?.groups;
  if (!found || (!found.era && found.year.length < 3)) return text;
  const year = String(Number(found.year) + (found.era || found.year.length === 3 ? 1911 : 0)).padStart(4, '0');
  if (!found.day) return `${year}/${found.month.padStart(2, '0')}${found.rest}`;
  return `${year}/${found.month}/${found.day}${found.rest && ` ${found.rest.trim()}`}`;
}

function monthOf(name) {
  if (/^\d+$/.test(name)) return Number(name);
  const low = name.toLowerCase();
  return low === 'sept' ? 9 : MONTHS.findIndex((month) => low === month || low === month.slice(0, 3)) + 1;
}

// Seconds since 1970 of a date and a time in universal time; undefined where there is no such moment.
function moment(year, month, day, { hour = '0', minute = '0', second = '0', before = '', half = '' }) {
  let hours = Number(hour);
  const minutes = Number(minute), seconds = Number(second);
  if (before || half) {
    if (hours < 1 || hours > 12 || (before && half)) return undefined;
    hours = (hours % 12) + (/^[Pp下]/.test(before || half) ? 12 : 0);
  }
  const made = new Date(0);
  made.setUTCFullYear(year, month - 1, day);
  const right = year > 0 && made.getUTCFullYear() === year && made.getUTCMonth() === month - 1 && made.getUTCDate() === day;
  return right && hours < 24 && minutes < 60 && seconds < 60 ? made.getTime() / 1000 + hours * 3600 + minutes * 60 + seconds : undefined;
}

function isoDate(text) {
  const found = ISO.exec(text)?.groups;
  if (!found) return undefined;
  const whole = moment(Number(found.year), Number(found.month), Number(found.day), { hour: found.hour, minute: found.minute, second: found.second });
  if (whole === undefined) return undefined;
  const micro = Number((found.part ?? '').slice(0, 6).padEnd(6, '0')), zone = /^([+-])(\d{2}):?(\d{2})$/.exec(found.zone ?? '');
  const offset = zone ? Number(`${zone[1]}1`) * (Number(zone[2]) * 3600 + Number(zone[3]) * 60) : 0;
  if (Math.abs(offset) >= 86400) return undefined;
  return ((whole - offset) * 1e6 + micro) / 1e6;
}

// Seconds since 1970 of a text in an order of `chainrule.tables.calendar`; undefined for other text.
function dateOf(written, order) {
  if (order === 'minguo') {
    const found = MINGUO.exec(written);
    if (!found && !written.startsWith('民國')) return undefined;
    return dateOf(found ? `${Number(found[1]) + 1911}${found[2]}` : written, 'ymd');
  }
  const text = withSlashes(written);
  if (order === 'iso') return isoDate(text);
  if (order in NAMED) {
    const found = NAMED[order].exec(text)?.groups;
    if (!found) return undefined;
    return order === 'time' ? moment(1970, 1, 1, found) : moment(yearOf(found.year), monthOf(found.month), Number(found.day ?? 1), found);
  }
  const found = PARTED.exec(text);
  if (!found) return undefined;
  const { y, m, d } = Object.fromEntries([found[1], found[3], found[4]].map((digits, k) => [order[k], digits]));
  const short = y.length === 2 && order !== 'ymd';
  const ofTaiwan = order === 'ymd' && TAIWAN.test(text);
  if ((y.length !== 4 && !short && !ofTaiwan) || (found[2] === '.' && short && !(d.length === 2 && m.length === 2))) return undefined;
  return moment(yearOf(y), Number(m), Number(d), found.groups);
}

// What a number is called as a category: 1.0 is 1; others as Python writes them.
function called(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return String(value + 0).replace(/^-0$/, '0');
  const isPlain = Math.abs(value) >= 1e-4 && Math.abs(value) < 1e16;
  return isPlain ? String(value) : value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

const shown = (raw) => (typeof raw === 'string' ? `the text '${raw.slice(0, 40)}'` : raw instanceof Date ? 'a date' : `a ${typeof raw}`);

function changed(input, raw) {
  throw new TypeError(`column '${input.label}' has ${shown(raw)}, and had ${input.holds}s in training; convert it, or give null for a missing value`);
}

function number(input, raw) {
  if (typeof raw === 'number' || typeof raw === 'boolean' || typeof raw === 'bigint') return Number(raw);
  const text = typeof raw === 'string' ? stripped(raw) : changed(input, raw);
  if (isMissing(text)) return NaN;
  const sign = input.reads || '.';   // that of training; the other one where only that is possible
  const value = numberOf(text, sign) ?? numberOf(text, sign === ',' ? '.' : ',');
  if (value !== undefined) return value;
  if (input.has_words && !/\d/.test(text)) return NaN;
  const low = text.toLowerCase();
  return low === 'true' ? 1 : low === 'false' ? 0 : changed(input, raw);
}

function date(input, raw) {
  if (raw instanceof Date) return raw.getTime() / 1000;
  const text = typeof raw === 'string' ? stripped(raw) : changed(input, raw);
  if (isMissing(text)) return NaN;
  const read = (orders) => orders.map((order) => dateOf(text, order)).filter((seconds) => seconds !== undefined);
  const [sure] = read(input.reads ? [input.reads] : ['iso', 'ymd', 'my', 'ym', 'dby', 'bdy', 'time']);
  const either = input.reads || sure !== undefined ? [] : read(['dmy', 'mdy']);   // one of them, as in 31.12.2024
  return sure ?? (either.length === 1 ? either[0] : changed(input, raw));
}

function category(input, raw) {
  if (typeof raw === 'boolean') return raw ? 'True' : 'False';
  if (typeof raw === 'number' || typeof raw === 'bigint') return Number.isFinite(Number(raw)) ? called(Number(raw)) : null;
  if (raw instanceof Date) return Number.isNaN(raw.getTime()) ? null : `${raw.toISOString().slice(0, -1)}000`;
  return typeof raw === 'string' ? stripped(raw) || null : changed(input, raw);
}

function boolean(input, raw) {
  const text = category(input, raw);
  if (text === null || isMissing(text)) return null;
  return YES.has(text.toLowerCase()) ? 'True' : NO.has(text.toLowerCase()) ? 'False' : changed(input, raw);
}

// The value of a column's cell, as the operations take it.
export function cell(input, raw) {
  const isAbsent = raw === null || raw === undefined || Number.isNaN(raw);
  if (input.holds === 'category') return isAbsent ? null : category(input, raw);
  if (input.holds === 'boolean') return isAbsent ? null : boolean(input, raw);
  const value = isAbsent ? NaN : input.holds === 'date' ? date(input, raw) : input.holds === 'duration' && typeof raw === 'string' ? changed(input, raw) : number(input, raw);
  return [value];
}

// The numbers of a matrix's row, in order, or by the names of its columns where it has names.
export function numbers(input, row) {
  const given = ArrayBuffer.isView(row) || Array.isArray(row) ? Array.from(/** @type {any} */ (row)) : input.names.map((name) => row[name]);
  if (given.length !== input.columns) {
    throw new RangeError(`the row has ${given.length} numbers, and the network reads ${input.columns}; give one for each input`);
  }
  const bad = given.findIndex((value) => typeof value !== 'number' || !Number.isFinite(value));
  if (bad >= 0) throw new TypeError(`the row has ${given[bad]} at place ${bad}; give a finite number for each input`);
  return Float64Array.from(given);
}
