// Audit the static pages: html-validate, and axe in headless Chromium at 1280 and 390 pixels, light
// and dark; and print them. Usage: node audit.mjs [--shots FOLDER] PAGE.html... ; CHROMIUM names the browser. Exits
// with 1 if there is a finding.
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { HtmlValidate } from 'html-validate';
import { chromium } from 'playwright-core';

const maxHeight = 4000; // of a report before its heading "Details", at 1280 pixels
const maxPages = 20; // of a printed page of the tests
const paper = { width: 718, height: 1047 }; // A4 in pixels without margins of 1 cm

// measure returns the height before the details, by how much the page is wider than the screen, and
// the scrolling regions without a hint or without keyboard focus.
const measure = () => {
  const details = document.querySelector('#details');
  const regions = [...document.querySelectorAll('main *')].filter(
    (e) => e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX));
  const hidden = (e) => e.tagName !== 'PRE' && getComputedStyle(e, '::before').content === 'none';
  return {
    details: details ? Math.round(details.getBoundingClientRect().top + scrollY) : null,
    over: document.documentElement.scrollWidth - innerWidth,
    unfocusable: regions.filter((e) => e.tabIndex < 0).length,
    unhinted: innerWidth < 700 ? regions.filter(hidden).length : 0,
  };
};

// measurePrint returns how many elements are cut off at the right of the paper, and how many folded
// parts are not printed.
const measurePrint = () => {
  const shown = [...document.querySelectorAll('main *, header *')].filter((e) => e.getClientRects().length > 0);
  const clipped = (e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 ||
    (e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX));
  const folded = [...document.querySelectorAll('details:not([open])')].filter(
    (d) => ![...d.children].slice(1).every((e) => e.checkVisibility({ contentVisibilityAuto: true })));
  return { clipped: shown.filter(clipped).length, folded: folded.length };
};

// print prints a page, logs what is wrong, and returns the number of findings.
const print = async (browser, path, shots) => {
  const context = await browser.newContext({ viewport: paper });
  const page = await context.newPage();
  await page.goto(pathToFileURL(resolve(path)).href);
  await page.emulateMedia({ media: 'print' });
  const { clipped, folded } = await page.evaluate(measurePrint);
  const file = shots ? join(shots, `${basename(path, '.html')}.pdf`) : undefined;
  const margin = { top: '1cm', bottom: '1cm', left: '1cm', right: '1cm' };
  const pdf = await page.pdf({ format: 'A4', margin, path: file });
  const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
  console.log(`  print: ${pages} pages of A4, clipped elements ${clipped}, folded parts not printed ${folded}`);
  await context.close();
  return clipped + folded + (pages < 1 || pages > maxPages);
};

const args = process.argv.slice(2);
const shots = args[0] === '--shots' ? args.splice(0, 2)[1] : '';
const validator = new HtmlValidate();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'],
});
let findings = 0;
for (const path of args) {
  const report = await validator.validateFile(path);
  const messages = report.results.flatMap((r) => r.messages);
  console.log(`${path}: html-validate ${messages.length}`);
  messages.forEach((m) => console.log(`  ${m.line}:${m.column} ${m.ruleId}: ${m.message}`));
  findings += messages.length;
  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      const page = await context.newPage();
      await page.goto(pathToFileURL(resolve(path)).href);
      const m = await page.evaluate(measure);
      const high = width === 1280 && m.details > maxHeight;
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
      const { violations } = await new AxeBuilder({ page }).analyze();
      console.log(`  ${width} ${colorScheme}: axe ${violations.length}` +
        (m.details === null ? '' : `, details at ${m.details} px`) + `, wider than the screen by ${m.over} px, ` +
        `scroll regions without focus ${m.unfocusable}, without hint ${m.unhinted}`);
      violations.forEach((v) => console.log(`    ${v.id}: ${v.nodes.length}, ${v.nodes[0].target}`));
      findings += violations.length + m.unfocusable + m.unhinted + (m.over > 0) + high;
      if (shots) {
        const name = `${basename(path, '.html')}-${width}-${colorScheme}.png`;
        await page.screenshot({ path: join(shots, name), fullPage: true });
      }
      await context.close();
    }
  }
  findings += await print(browser, path, shots);
}
await browser.close();
console.log(`${args.length} pages, ${findings} findings`);
process.exitCode = findings ? 1 : 0;
