// Pictures of Temporal's Web UI: the list of runs, and the details and the timeline of one run, at
// 1280 and 390 pixels, light and dark. Usage: node webui.mjs ADDRESS WORKFLOW FOLDER; CHROMIUM names
// the browser. "starter dev" serves the Web UI.
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [address, workflow, folder] = process.argv.slice(2);
const runs = `${address}/namespaces/default/workflows`;
const height = { 1280: 800, 390: 844 };

// scrollTo scrolls an element to the top of the screen, below the header of the Web UI.
const scrollTo = async (locator) => {
  await locator.waitFor();
  await locator.evaluate((e) => {
    e.style.scrollMarginTop = '60px';
    e.scrollIntoView({ block: 'start', behavior: 'instant' });
  });
};

// views open a view of the Web UI. Queries and animations need a moment that no element announces.
const views = {
  list: async (page) => {
    await page.goto(`${runs}?query=${encodeURIComponent('WorkflowType = "Experiment"')}`);
    await page.getByRole('link', { name: workflow }).first().waitFor();
  },
  details: async (page) => {
    await page.goto(`${runs}/${encodeURIComponent(workflow)}`);
    await page.locator('a[href*="/user-metadata"]').click();
    await page.getByText('Current Details').first().waitFor();
    await scrollTo(page.locator('a[href*="/user-metadata"]'));
  },
  timeline: async (page) => {
    await page.goto(`${runs}/${encodeURIComponent(workflow)}`);
    await page.locator('xpath=//button[@data-testid="toggle-idle-time"]/following::button[1]').click();
    await page.getByRole('menuitem', { name: 'Local Activity' }).click();
    await page.keyboard.press('Escape');
    await scrollTo(page.getByText('Timeline', { exact: true }).last());
  },
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'],
});
for (const [name, open] of Object.entries(views)) {
  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ viewport: { width, height: height[width] }, colorScheme });
      const page = await context.newPage();
      await open(page);
      await page.waitForTimeout(1500);
      const file = `webui-${name}${width < 700 ? '-phone' : ''}${colorScheme === 'dark' ? '-dark' : ''}.png`;
      await page.screenshot({ path: join(folder, file) });
      await context.close();
    }
  }
}
await browser.close();
