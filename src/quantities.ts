/** Figures in words, for people: the same wherever they are printed. */

/** A size for people, decimal units: 1.2 MB. */
export function bytes(sizeBytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(sizeBytes, 1)) / 3), units.length - 1);
  return `${(sizeBytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** A count with thin groups of three: 12 345. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** A length of time in its two largest units: 2 d 3 h. */
export function duration(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, sizeS]) => seconds >= sizeS);
  if (first < 0) return "0 s";
  const parts = units.slice(first, first + 2).map(([unit, sizeS], i) => {
    const above = i === 0 ? Infinity : units[first][1];
    return `${Math.floor((seconds % above) / sizeS)} ${unit}`;
  });
  return parts.join(" ");
}

/** A share (0…1) of a hundred, never rounded up to 100: 47%. */
export function percent(share: number): string {
  return `${Math.floor(share * 100)}%`;
}

/** A PSNR; a dash while there is none. */
export function decibels(psnr: number | null): string {
  return psnr === null ? "–" : `${psnr.toFixed(1)} dB`;
}
