/**
 * The demo's CSV reader: which columns it finds, and which rows it refuses, with what words.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError, parsePoints, readPoints } from '../../examples/nearest/points.ts';

const linesOf = (text: string) => parsePoints(text).malformed.map(({ line, reason }) => `${line}: ${reason}`);

describe('columns', () => {
  for (const [latitude, longitude] of [
    ['lat', 'lon'],
    ['Latitude', 'LONGITUDE'],
    ['LAT', 'lng'],
    [' lat ', 'Long'],
  ]) {
    test(`'${latitude}' and '${longitude}' are found by name, wherever they stand`, () => {
      const { points, columns } = parsePoints(`id,${longitude},x,${latitude}\n1,20,?,10\n`);
      assert.deepEqual(points, [{ latitude: 10, longitude: 20, label: '' }]);
      assert.deepEqual(columns, { latitude: latitude!.trim(), longitude: longitude!.trim() });
    });
  }

  test('a name is preferred to a city and a city to a code', () => {
    assert.equal(parsePoints('iata,city,name,lat,lon\na,b,c,1,2\n').points[0]?.label, 'c');
    assert.equal(parsePoints('iata,city,lat,lon\na,b,1,2\n').points[0]?.label, 'b');
    assert.equal(parsePoints('IATA,lat,lon\na,1,2\n').points[0]?.label, 'a');
  });

  test('semicolons, tabs, a byte order mark and CRLF are understood', () => {
    const expected = [{ latitude: 1, longitude: -2.5, label: 'Ab' }];
    assert.deepEqual(parsePoints('\uFEFFlat;long;city\r\n1;-2.5;Ab\r\n').points, expected);
    assert.deepEqual(parsePoints('lat\tlong\tcity\n1\t-2.5\tAb').points, expected);
  });

  test('a missing column is named, with the header that was there', () => {
    assert.throws(() => parsePoints('id,lon\n1,2\n', 'x.csv'), {
      name: 'InputError',
      message: 'x.csv has no column named latitude or lat; its header names "id", "lon"',
    });
    assert.throws(() => parsePoints('lat,y\n1,2\n'), /no column named longitude or long or lng or lon/);
  });

  test('an empty text has no header', () => {
    for (const text of ['', '\n', ' \n\n']) assert.throws(() => parsePoints(text), /has no header row/);
  });
});

describe('rows', () => {
  test('a malformed row is left out and named by its line and reason', () => {
    const text = 'lat,lon\n1,2\nx,2\n,2\n91,0\n0,-181\n0,361\n1\n1,2,3\nInfinity,0\n0x10,0\n3,4\n';
    assert.deepEqual(linesOf(text), [
      '3: latitude "x" is not a number',
      '4: no latitude',
      '5: latitude "91" is outside -90 to 90',
      '6: longitude "-181" is outside -180 to 360',
      '7: longitude "361" is outside -180 to 360',
      '8: 1 fields where the header has 2',
      '9: 3 fields where the header has 2',
      '10: latitude "Infinity" is not a number',
      '11: latitude "0x10" is not a number',
    ]);
    assert.equal(parsePoints(text).points.length, 2);
  });

  test('a quoted field may hold delimiters and line breaks, and lines are still counted right', () => {
    const text = 'name,lat,lon\n"a, b\nc",1,2\nd,x,2\n';
    assert.equal(parsePoints(text).points[0]?.label, 'a, b\nc');
    assert.deepEqual(linesOf(text), ['4: latitude "x" is not a number']);
  });

  test('blank lines are no rows, and are counted as lines', () => {
    assert.deepEqual(linesOf('lat,lon\n\n  \n1,2\n\ny,2\n'), ['6: latitude "y" is not a number']);
  });

  test('a quote in the middle of a field costs no other row', () => {
    const { points, malformed } = parsePoints('name,lat,lon\na "b" c,1,2\n"x"y,3,4\nz,5,6\n');
    assert.equal(points.length, 3);
    assert.deepEqual(malformed, []);
  });

  test('a quote that is never closed is named where it opens, and what came before is kept', () => {
    const text = 'lat,lon,name\n1,2,a\n3,4,"b\n5,6,c\n';
    assert.equal(parsePoints(text).points.length, 1);
    assert.deepEqual(linesOf(text), [
      '3: a quote opens here and is never closed; the rest of the file is lost',
    ]);
  });

  test('a text without any usable row is refused with the first reason', () => {
    assert.throws(
      () => parsePoints('lat,lon\n', 'x.csv'),
      /^InputError: x.csv has no usable row: nothing follows/,
    );
    assert.throws(() => parsePoints('lat,lon\nx,1\n', 'x.csv'), /no usable row; line 2: latitude "x"/);
  });

  test('a file that is not there, or is a folder, is refused in words', async () => {
    await assert.rejects(readPoints('/no/such/file.csv'), (error) => {
      assert.ok(error instanceof InputError);
      assert.equal(error.message, 'cannot read /no/such/file.csv: there is no such file');
      return true;
    });
    await assert.rejects(readPoints('/'), /cannot read \/: it is a directory/);
  });
});
